"""Look first: stills, sheets and a page to choose the focus by."""
