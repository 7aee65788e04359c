package workflows

// SweepStageInput names the pipeline whose stage is swept.
type SweepStageInput struct {
	Pipeline string `json:"pipeline"`
}

// SweepStageResult is what a sweep of the stage has found. Objects that are younger than
// the setting are not counted.
type SweepStageResult struct {
	// Swept objects were needed by nobody and are deleted; Bytes is their size.
	Swept int   `json:"swept"`
	Bytes int64 `json:"bytes"`
	// Kept objects belong to windows that are open.
	Kept int `json:"kept"`
	// Foreign objects have keys that the pipeline does not make. They are left alone.
	Foreign int `json:"foreign,omitempty"`
}
