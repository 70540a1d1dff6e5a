"""Weekly and monthly reports: drafted by a job, edited and finished by staff."""
