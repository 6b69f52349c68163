"""The reference onto the science image's grid."""
