"""Captions of pictures, as Show and Tell makes them: their data, the net, its search for sentences."""
