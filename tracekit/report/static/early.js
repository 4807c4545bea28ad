// The theme chosen last time, before the first paint. Storage may be closed to files.
try {
  const theme = localStorage.getItem("tracekit-theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch { /* no storage: the system's theme stands */ }
