"""From a recording to its annotated beats, and to what they amount to."""
