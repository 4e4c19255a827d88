// Presses become events with the pressed element's data; focus stays near what was pressed when it is redrawn.
const say = (from, more) => trigger('click', { ...from.dataset, ...more });
let near = null;
element.addEventListener('click', (event) => {
  const pressed = event.target.closest('button[data-act]');
  if (!pressed || pressed.disabled) return;
  near = pressed.closest('[data-key]')?.dataset.key ?? null;
  if (pressed.dataset.drawer !== undefined) delete pressed.closest('.cr-page').dataset.open;
  say(pressed);
  if (pressed.dataset.act === 'edit') document.querySelector('.cr-message textarea')?.focus();
});
element.addEventListener('submit', (event) => {
  event.preventDefault();
  near = event.target.closest('[data-key]')?.dataset.key ?? null;
  say(event.target, { text: new FormData(event.target).get('text') });
});
element.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') element.querySelector('[data-escape]')?.click();
});
let turns = null;
watch('value', () => {
  const field = element.querySelector('[data-focus]');
  if (field && document.activeElement !== field) { field.focus(); field.select?.(); }
  if (near !== null && !field && document.activeElement === document.body) {
    const place = element.querySelector(`[data-key="${CSS.escape(near)}"]`);
    const next = place?.querySelector('[data-near]') ?? place?.querySelector('button:not(:disabled)');
    next?.focus({ preventScroll: true });
  }
  const turn = element.querySelector('.cr-turn[data-number]');
  if (turn && turn.dataset.number !== turns) {
    if (turns !== null) turn.scrollIntoView({ block: 'start' });
    turns = turn.dataset.number;
  }
});
