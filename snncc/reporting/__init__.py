"""What `snncc report` measures, and the page that it writes of it."""
