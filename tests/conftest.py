from hypothesis import settings

# Examples share two cores with the rest of the suite: time says nothing about one of them.
settings.register_profile("default", deadline=None, print_blob=True)
settings.load_profile("default")
