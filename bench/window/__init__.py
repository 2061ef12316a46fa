"""How smooth napari stays, and how long a user waits: played in a napari of its own."""
