"""From a prefix to a framed, billed tarball, and back."""
