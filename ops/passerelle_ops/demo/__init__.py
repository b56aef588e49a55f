"""The demo region: who lives in it, what they sign in with, what is filed about them."""
