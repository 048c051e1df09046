"""Files of one picture each: PNG, TIFF, JPEG, DPX and OpenEXR, with all that they keep beside the pixels."""
