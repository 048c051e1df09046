"""Classical blurs to compare with: each a function of one picture and its disparity, behind one interface."""
