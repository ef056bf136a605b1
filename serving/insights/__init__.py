"""What people read beside the recommendations: reasons, profiles, the neighbourhood, a version's report."""
