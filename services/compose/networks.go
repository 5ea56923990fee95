package compose

import (
	"encoding/json"
	"fmt"
	"strings"
)

// NetworksAnnotation is the pod annotation of Kubernetes' semantics that lists, as EncodeNetworks writes them, the Docker networks
// that the pod is attached to beside the project's default network.
const NetworksAnnotation = "dev.lyandev/networks"

// EncodeNetworks returns the value of NetworksAnnotation.
func EncodeNetworks(list []Attachment) (string, error) {
	b, err := json.Marshal(list)
	if err != nil {
		return "", fmt.Errorf("cannot encode the networks of a pod: %w", err)
	}
	return string(b), nil
}

// DecodeNetworks reads the value of NetworksAnnotation for the instance of a name; "" is an empty list.
func DecodeNetworks(annotation, project string) (list []Attachment, err error) {
	if annotation == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(annotation, Project, project)), &list); err != nil {
		return nil, fmt.Errorf("cannot decode the annotation %s: %w", NetworksAnnotation, err)
	}
	return list, nil
}
