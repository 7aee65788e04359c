// Package compose proves docker-compose.yml and the images on a Docker engine: it brings the file up as a person does,
// kills, restarts and scales what runs, deploys another image while traffic flows, and then looks for every log event
// of the stream at the analytics API.
//
// It asks nobody inside the pipeline. What was put is read back from the stream, what arrived from the API.
package compose
