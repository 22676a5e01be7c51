"""The command line: options to request, one library call, rendering, exit code."""
