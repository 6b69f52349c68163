"""Alert packets of ZTF, Gattini, WINTER, DECam and Rubin -> samples."""
