"""A year of decisions on simulated companies: does the platform learn whom to contact, and when to stop?"""
