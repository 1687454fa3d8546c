"""Read and write audio and video files by ffmpeg. May import `data`, `motion` and the top-level modules."""
