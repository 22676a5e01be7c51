"""Is it exactly what the bill says?"""
