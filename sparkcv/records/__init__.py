"""Data at rest: TFRecord frames, Examples, picture headers, shards and the manifest that vouches for them."""
