"""What ours is held against: the same work as plain calls of torch and diffusers."""
