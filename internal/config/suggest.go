package config

import "strings"

// suggest returns the candidate that somebody who wrote the unknown key most likely
// meant, or "" when none is close.
func suggest(unknown string, candidates []string) string {
	written := strings.ToLower(strings.ReplaceAll(unknown, "-", "_"))
	written = strings.TrimPrefix(written, strings.ToLower(envPrefix))
	best, bestDistance := "", max(1, len(written)/4)+1
	for _, key := range candidates {
		distance := editDistance(written, key)
		// A word too few or too many is a likelier slip than its length tells:
		// client_secret for client_secret_parameter, stream_name for stream.
		if strings.HasPrefix(key, written+"_") || strings.HasPrefix(written, key+"_") {
			distance = 1
		}
		if distance < bestDistance {
			best, bestDistance = key, distance
		}
	}
	return best
}

// editDistance is the Levenshtein distance in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
