import { render } from 'preact';
import { App } from './app';
import { startFrame } from './model/frame';
import { handleKey } from './model/keys';
import { startRouter } from './model/url';
import './style/tokens.css';
import './style/frame.css';
import './style/parts.css';

startRouter();
startFrame();
document.addEventListener('keydown', handleKey);
render(<App />, document.getElementById('app')!);
