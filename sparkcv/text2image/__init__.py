"""Pictures from captions by GAN-CLS: generator and discriminator, the text before them, and what is made of them."""
