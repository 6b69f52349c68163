"""3D U-Net for detector ramps."""
