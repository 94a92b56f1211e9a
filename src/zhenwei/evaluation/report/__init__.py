"""Pages that open offline: of a run, of a comparison, of an audit."""
