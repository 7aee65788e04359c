// Package plot draws small multiples, charts of lines side by side, as an SVG that web
// pages show in their light and dark colours. It knows nothing of what is drawn.
package plot
