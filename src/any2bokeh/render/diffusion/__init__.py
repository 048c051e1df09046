"""The paper's network: one step of a video diffusion U-Net, steered by the scene's planes and by K."""
