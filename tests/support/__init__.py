"""What several test folders share: random graphs and slow, independent simulators."""
