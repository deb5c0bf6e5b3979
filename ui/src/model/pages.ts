// The pages, in the order of the rail, and the key that leads to each after `g`.
export interface Page { path: string; word: string; icon: string; key: string; asks: string }

export const PAGES: readonly Page[] = [
  { path: '/', word: 'Home', icon: 'home', key: 'h', asks: 'Is anything wrong, and can I trust what I see?' },
  { path: '/query', word: 'Explore', icon: 'explore', key: 'e', asks: 'What is this number?' },
  { path: '/dashboards/host', word: 'Dashboards', icon: 'dashboards', key: 'd', asks: 'What is this machine doing?' },
  { path: '/alerts', word: 'Alerts', icon: 'alerts', key: 'a', asks: 'What fires, since when, and why?' },
  { path: '/targets', word: 'Targets', icon: 'targets', key: 't', asks: 'What do we fail to see, and why?' },
  { path: '/status', word: 'Status', icon: 'status', key: 's', asks: 'How is Tidemark itself, and what does it cost?' },
];
