// validatorUrl: without null the page would ask a validator on the internet about every document that is not local.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  validatorUrl: null,
  queryConfigEnabled: false,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  // A key typed into the page is forgotten with it.
  persistAuthorization: false,
});
