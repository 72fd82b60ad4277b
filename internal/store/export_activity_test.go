package store

import "github.com/remuda-dev/remuda/internal/control"

// ActivityText is what is asked for activity.
func ActivityText(organization string, from, to, step control.Micros) (string, []any) {
	return activityText(organization, from, to, step)
}

// LastFailedText is how the ids of the last that failed are found.
func LastFailedText(organization string, since control.Micros, most int) (string, []any) {
	return lastFailed(organization, since, most)
}
