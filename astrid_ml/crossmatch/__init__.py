"""Catalogues of a user beside samples: by position, with errors and proper motions."""
