"""The wire contract, generated from proto/jali/v1 by tools/generate.py: do not edit."""
