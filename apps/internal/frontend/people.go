package frontend

import "github.com/gin-gonic/gin"

// peopleStore is what these pages read of the store.
type peopleStore interface{}

// peopleRoutes adds the pages of People and the page of a person.
func (s *Server) peopleRoutes(*gin.Engine) {}
