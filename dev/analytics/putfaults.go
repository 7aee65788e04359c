package analytics

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

const faultsPath = "/faults"

// PutFaults puts other faults in force at the API at a URL, and no others.
func PutFaults(ctx context.Context, url string, faults Faults) error {
	body, err := json.Marshal(faults)
	if err != nil {
		return fmt.Errorf("encode faults: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, url+faultsPath, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("set the faults of the analytics API: %w", err)
	}
	answer, err := fetcher.Do(request)
	if err != nil {
		return fmt.Errorf("set the faults of the analytics API: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("set the faults of the analytics API: %s: %s", url, answer.Status)
	}
	return nil
}
