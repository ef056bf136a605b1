"""The page: pictures of it, how many users it bears, and how fast it is in a browser."""
