"""A thousand trials on ten workers of sixty slots: how much longer they take than their slots alone would have them."""
