"""What `passerelle doctor` looks at: each check says that it is well, or what is wrong and what to do about it."""
