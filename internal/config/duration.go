package config

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// parseDuration is time.ParseDuration with errors that tell what to write. A number
// without a unit is refused: nobody can see whether it means seconds or milliseconds.
func parseDuration(text string) (time.Duration, error) {
	trimmed := strings.TrimSpace(text)
	d, err := time.ParseDuration(trimmed)
	if err == nil {
		return d, nil
	}
	if _, numErr := strconv.ParseFloat(trimmed, 64); numErr == nil {
		return 0, errors.New("has no unit: write a duration such as 500ms, 60s or 1m30s")
	}
	return 0, errors.New("is not a duration: write one such as 500ms, 60s or 1m30s")
}

// formatDuration drops the zero seconds and minutes that time.Duration prints: 5m, not 5m0s.
func formatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
