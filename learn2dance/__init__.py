"""What the stages of learn2dance share; each stage itself is a script or notebook one level up."""
