"""The pages, one module each.

Every module offers two functions: ``read(source) -> content`` asks the warehouse, once for both languages;
``page(content, words) -> Page`` says it in one. ``content`` is a frozen dataclass of the module's own.
"""
