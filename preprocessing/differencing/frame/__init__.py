"""A file becomes an image: headers, planes, manifests, truth."""
