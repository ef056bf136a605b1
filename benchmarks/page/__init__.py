"""The page: pictures of it, what its tasks cost, how many users it bears, and how fast it is in a browser."""
