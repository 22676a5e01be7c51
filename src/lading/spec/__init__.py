"""What the user asked for: environment files and MatchSpecs, before any engine sees them."""
