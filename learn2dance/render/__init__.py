"""Draw skeletons as images and videos. May import `media`, `data` and `motion`."""
