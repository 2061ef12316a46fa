"""What everything shares: images, regions, intensity limits, settings, events, errors."""
