"""Events of OpenLineage."""
