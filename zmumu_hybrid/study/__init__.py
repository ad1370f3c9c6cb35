"""The whole study: events, networks, figures and the report, in stages that are skipped when they are done."""
