"""How well hidden epochs of light curves are foreseen."""
